// The records that the agent, its target and the Go side exchange, and how the
// kernel is asked for a thread's credentials. Raw system calls only: a C library
// must not get in between, and the target has none.
#include <stdint.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/prctl.h>

enum { GROUPS = 3 };

// What a thread can be wished to be, and is.
struct creds {
	uint64_t permitted, effective, inheritable, ambient, bounding;
	uint32_t uid[4], gid[4]; // real, effective, saved, file system
	uint32_t ngroups, groups[GROUPS];
	uint32_t securebits, no_new_privs;
};

struct state {
	struct creds creds;
	uint32_t secure, dumpable, pdeathsig;
	uint32_t last_cap;
};

static inline long sys(long number, long a, long b, long c, long d, long e)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
#else
#error "this architecture's system call is not written down here"
#endif
}

static inline long prctl5(long option, long a, long b)
{
	return sys(__NR_prctl, option, a, b, 0, 0);
}

static inline long get_caps(struct creds *c)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	long err = sys(__NR_capget, (long)&header, (long)data, 0, 0, 0);
	c->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	c->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	c->inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return err;
}

// Fills in all but secure, which only a program's start can tell.
static inline void read_state(struct state *s)
{
	struct creds *c = &s->creds;
	get_caps(c);
	c->ambient = c->bounding = 0;
	for (int cap = 0; cap < 64; cap++) {
		long has = prctl5(PR_CAPBSET_READ, cap, 0);
		if (has < 0)
			break;
		s->last_cap = cap;
		c->bounding |= (uint64_t)has << cap;
		c->ambient |= (uint64_t)(prctl5(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap) == 1) << cap;
	}
	sys(__NR_getresuid, (long)&c->uid[0], (long)&c->uid[1], (long)&c->uid[2], 0, 0);
	sys(__NR_getresgid, (long)&c->gid[0], (long)&c->gid[1], (long)&c->gid[2], 0, 0);
	// An id that nobody can have changes nothing, and the old one is returned.
	c->uid[3] = sys(__NR_setfsuid, -1, 0, 0, 0, 0);
	c->gid[3] = sys(__NR_setfsgid, -1, 0, 0, 0, 0);
	for (int i = 0; i < GROUPS; i++)
		c->groups[i] = 0;
	c->ngroups = sys(__NR_getgroups, GROUPS, (long)c->groups, 0, 0, 0);
	c->securebits = prctl5(PR_GET_SECUREBITS, 0, 0);
	c->no_new_privs = prctl5(PR_GET_NO_NEW_PRIVS, 0, 0);
	s->dumpable = prctl5(PR_GET_DUMPABLE, 0, 0);
	prctl5(PR_GET_PDEATHSIG, (long)&s->pdeathsig, 0);
}
