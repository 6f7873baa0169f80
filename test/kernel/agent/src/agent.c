// The agent is the kernel's subject: it reads wishes on standard input, makes a
// child what each wish says, lets it do what is asked for, and writes what the
// kernel says before and after to standard output.
//
// Its arguments are what it does first, in their order:
//
//   userns:OUTSIDE:COUNT   enter a new user namespace, whose ids 0 to COUNT-1 are
//                          OUTSIDE and following, and be root in it
//   netns                  enter a new network namespace
//   inside:UID:DEPTH       enter a network namespace that belongs to a user namespace
//                          inside the present one; UID made it (DEPTH 1), or made
//                          the one around it (DEPTH 2)
//   port:N                 set net.ipv4.ip_unprivileged_port_start
//   tmpfs:DIR              enter a new mount namespace, with a tmpfs there
//   join:PATH              enter the mount namespace of that file
//   bounding:HEX           reduce the bounding set to this
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "state.h"

enum { NO_SETUID_FIXUP = 1 << 2 }; // of securebits
enum op { EXECUTE, SETRESUID, BIND, MAKE_AMBIENT, ENTER_USERNS };
enum tracer { NO_TRACER, TRACER_CAPABLE, TRACER_UNPRIVILEGED };
enum status { COMPARE, REFUSED, DIFFERS, BROKEN };

struct wish {
	struct creds creds;
	uint8_t op, tracer, shared_fs, pdeathsig;
	uint32_t nargs;
};

// What an operation is about: one argument is one case.
union arg {
	char path[16];
	uint32_t uid[3];
	struct { uint32_t family, type, port; } bind;
	uint64_t set;
};

struct reply {
	uint32_t status, error;
	struct state before, after;
};

static struct creds self;          // of the agent
static struct wish wish;           // at hand
static union arg args[4096];
static struct reply replies[4096];
static union arg *arg;             // at hand
static struct reply *reply;
static int report;                 // where the target's report is read
static char stack[64 << 10] __attribute__((aligned(16)));

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long set_caps(uint64_t permitted, uint64_t effective, uint64_t inheritable)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{effective, permitted, inheritable},
		{effective >> 32, permitted >> 32, inheritable >> 32},
	};
	return sys(__NR_capset, (long)&header, (long)data, 0, 0, 0);
}

static long traceme(void) { return sys(__NR_ptrace, PTRACE_TRACEME, 0, 0, 0, 0); }

// The agent has SECBIT_NO_SETUID_FIXUP, so ids and sets do not interfere.
static long set_ids(const struct creds *c)
{
	long err = sys(__NR_setgroups, c->ngroups, (long)c->groups, 0, 0, 0);
	if (!err)
		err = sys(__NR_setresgid, c->gid[0], c->gid[1], c->gid[2], 0, 0);
	sys(__NR_setfsgid, c->gid[3], 0, 0, 0, 0);
	if (!err)
		err = sys(__NR_setresuid, c->uid[0], c->uid[1], c->uid[2], 0, 0);
	sys(__NR_setfsuid, c->uid[3], 0, 0, 0, 0);
	return err;
}

// The order matters: what is inheritable needs the bounding set, what is
// ambient needs to be inheritable, and all of it needs CAP_SETPCAP.
static long set_sets(const struct creds *c)
{
	long err = set_caps(self.permitted, self.permitted, c->inheritable);
	for (int cap = 0; cap < 64 && !err; cap++)
		if ((self.bounding & ~c->bounding) >> cap & 1)
			err = prctl5(PR_CAPBSET_DROP, cap, 0);
	for (int cap = 0; cap < 64 && !err; cap++)
		if (c->ambient >> cap & 1)
			err = prctl5(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
	if (!err)
		err = prctl5(PR_SET_SECUREBITS, c->securebits, 0);
	if (!err)
		err = set_caps(c->permitted, c->effective, c->inheritable);
	return err;
}

// Makes the calling child what the wish says.
static long become(void)
{
	long err = wish.tracer == TRACER_CAPABLE ? traceme() : 0;
	if (!err)
		err = set_ids(&wish.creds);
	if (!err)
		err = set_sets(&wish.creds);
	if (!err && wish.creds.no_new_privs)
		err = prctl5(PR_SET_NO_NEW_PRIVS, 1, 0);
	if (!err && wish.pdeathsig)
		err = prctl5(PR_SET_PDEATHSIG, wish.pdeathsig, 0);
	if (!err && wish.tracer == TRACER_UNPRIVILEGED)
		err = traceme();
	return err;
}

static long execute(void)
{
	static char *argv[] = {"target", NULL}, *envp[] = {NULL};
	return sys(__NR_execve, (long)arg->path, (long)argv, (long)envp, 0, 0);
}

static long bind_port(void)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(arg->bind.port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(arg->bind.port)};
	int six = arg->bind.family == AF_INET6;
	long fd = sys(__NR_socket, arg->bind.family, arg->bind.type, 0, 0, 0);
	if (fd < 0)
		return fd;
	long err = sys(__NR_bind, fd, six ? (long)&v6 : (long)&v4, six ? sizeof v6 : sizeof v4, 0, 0);
	sys(__NR_close, fd, 0, 0, 0, 0);
	return err;
}

// Makes ambient what can be, one capability at a time, as a launcher does.
static long make_ambient(void)
{
	struct creds c;
	get_caps(&c);
	for (int cap = 0; cap < 64; cap++) {
		uint64_t bit = 1ull << cap;
		if (!(arg->set & bit) || set_caps(c.permitted, c.effective, c.inheritable | bit))
			continue;
		if (prctl5(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap))
			set_caps(c.permitted, c.effective, c.inheritable);
		else
			c.inheritable |= bit;
	}
	return 0;
}

static long do_op(void)
{
	switch (wish.op) {
	case EXECUTE: return execute();
	case SETRESUID: return sys(__NR_setresuid, arg->uid[0], arg->uid[1], arg->uid[2], 0, 0);
	case BIND: return bind_port();
	case MAKE_AMBIENT: return make_ambient();
	case ENTER_USERNS: return sys(__NR_unshare, CLONE_NEWUSER, 0, 0, 0, 0);
	}
	return -ENOSYS;
}

// The child shares the agent's memory until it executes another program, and
// the agent waits for that.
static int child(void *unused)
{
	(void)unused;
	long err = become();
	reply->status = REFUSED;
	reply->error = -err;
	if (!err) {
		read_state(&reply->before);
		reply->status = memcmp(&reply->before.creds, &wish.creds, sizeof wish.creds) ? DIFFERS : COMPARE;
	}
	if (reply->status == COMPARE) {
		reply->error = -do_op();
		read_state(&reply->after); // of an execve(2) only if it has failed
	}
	sys(__NR_exit, 0, 0, 0, 0, 0);
	return 0;
}

// Waits for the child, which stops after execve(2) if it is traced.
static void reap(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) == pid)
		if (!WIFSTOPPED(status))
			return;
		else
			ptrace(PTRACE_DETACH, pid, NULL, NULL);
	die("wait");
}

static void one_case(void)
{
	memset(reply, 0, sizeof *reply);
	int flags = CLONE_VM | CLONE_VFORK | SIGCHLD | (wish.shared_fs ? CLONE_FS : 0);
	pid_t pid = clone(child, stack + sizeof stack, flags, NULL);
	if (pid < 0)
		die("clone");
	reap(pid);
	if (reply->status == COMPARE && wish.op == EXECUTE && !reply->error &&
	    read(report, &reply->after, sizeof reply->after) != sizeof reply->after)
		reply->status = BROKEN;
}

static int read_all(void *buffer, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(0, (char *)buffer + done, size - done);
		if (n <= 0)
			return n == 0 && done == 0 ? 0 : -1;
		done += n;
	}
	return 1;
}

static void write_all(const void *buffer, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(1, (const char *)buffer + done, size - done);
		if (n <= 0)
			die("write");
		done += n;
	}
}

// Answers each case of the wish, or once if there is no such start.
static void serve(void)
{
	if (wish.nargs > sizeof args / sizeof args[0] || (wish.nargs && read_all(args, wish.nargs * sizeof args[0]) != 1))
		die("arguments");
	uint32_t i = 0;
	do {
		arg = &args[i];
		reply = &replies[i++];
		one_case();
	} while (i < wish.nargs && reply->status == COMPARE);
	write_all(replies, i * sizeof replies[0]);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void be_root(void)
{
	if (sys(__NR_setgroups, 0, 0, 0, 0, 0) || sys(__NR_setresgid, 0, 0, 0, 0, 0) || sys(__NR_setresuid, 0, 0, 0, 0, 0))
		die("become root of the namespace");
}

// A user namespace is mapped from outside, so a child that stays there does it.
static void enter_userns(const char *outside_count)
{
	unsigned outside, count;
	if (sscanf(outside_count, "%u:%u", &outside, &count) != 2)
		die("userns:OUTSIDE:COUNT");
	int entered[2], status;
	char byte = 0, path[64], map[64];
	if (pipe(entered))
		die("pipe");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		if (read(entered[0], &byte, 1) != 1)
			die("wait for the namespace");
		snprintf(map, sizeof map, "0 %u %u", outside, count);
		snprintf(path, sizeof path, "/proc/%d/uid_map", getppid());
		write_file(path, map);
		snprintf(path, sizeof path, "/proc/%d/gid_map", getppid());
		write_file(path, map);
		_exit(0);
	}
	// Only of a dumpable process does /proc belong to the namespace's root.
	if (unshare(CLONE_NEWUSER) || prctl5(PR_SET_DUMPABLE, 1, 0) || write(entered[1], &byte, 1) != 1)
		die("enter a user namespace");
	close(entered[0]);
	close(entered[1]);
	if (waitpid(pid, &status, 0) != pid || status)
		die("map the user namespace");
	be_root();
}

// A child makes the namespaces, and the agent joins it in the network's.
static void enter_inside(const char *uid_depth)
{
	int uid, depth, made[2], done[2];
	if (sscanf(uid_depth, "%d:%d", &uid, &depth) != 2)
		die("inside:UID:DEPTH");
	char byte = 0, path[64];
	if (pipe(made) || pipe(done))
		die("pipe");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(done[1]);
		if (prctl5(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0) || sys(__NR_setresuid, -1, uid, -1, 0, 0))
			die("become the maker");
		if (depth == 2)
			enter_userns("100000:1000");
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) || prctl5(PR_SET_DUMPABLE, 1, 0) || write(made[1], &byte, 1) != 1)
			die("make a network namespace");
		_exit(read(done[0], &byte, 1) != 0);
	}
	close(made[1]);
	if (read(made[0], &byte, 1) != 1)
		die("wait for the network namespace");
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
	close(made[0]);
	close(done[0]);
	close(done[1]);
	waitpid(pid, NULL, 0);
}

static void mount_tmpfs(const char *dir)
{
	if (unshare(CLONE_NEWNS) || mount("", "/", "", MS_REC | MS_PRIVATE, "") || mount("capwise", dir, "tmpfs", 0, "mode=0755"))
		die("mount a tmpfs");
}

// The working directory is found again by its path.
static void join(const char *path)
{
	char dir[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !getcwd(dir, sizeof dir) || setns(fd, CLONE_NEWNS) || chdir(dir))
		die(path);
	close(fd);
}

static void prepare(char *word)
{
	char *value = strchr(word, ':');
	if (value)
		*value++ = 0;
	if (!strcmp(word, "userns"))
		enter_userns(value);
	else if (!strcmp(word, "netns")) {
		if (unshare(CLONE_NEWNET))
			die("enter a network namespace");
	} else if (!strcmp(word, "inside"))
		enter_inside(value);
	else if (!strcmp(word, "tmpfs"))
		mount_tmpfs(value);
	else if (!strcmp(word, "join"))
		join(value);
	else if (!strcmp(word, "port"))
		write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", value);
	else if (!strcmp(word, "bounding")) {
		for (int cap = 0; prctl5(PR_CAPBSET_READ, cap, 0) >= 0; cap++)
			if (!(strtoull(value, NULL, 16) >> cap & 1) && prctl5(PR_CAPBSET_DROP, cap, 0))
				die("reduce the bounding set");
	} else {
		errno = EINVAL;
		die(word);
	}
}

// The target writes to descriptor 3; no other one of ours is left to it.
static void open_report(void)
{
	int ends[2];
	if (pipe2(ends, O_NONBLOCK))
		die("pipe");
	report = fcntl(ends[0], F_DUPFD_CLOEXEC, 10);
	int write_end = fcntl(ends[1], F_DUPFD_CLOEXEC, 10);
	close(ends[0]);
	close(ends[1]);
	if (report < 0 || dup2(write_end, 3) != 3)
		die("pipe");
	close(write_end);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		prepare(argv[i]);
	struct state s;
	read_state(&s);
	self = s.creds;
	if (prctl5(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0))
		die("set the securebits");
	open_report();
	struct reply ready = {.before = s};
	write_all(&ready, sizeof ready);
	int more;
	while ((more = read_all(&wish, sizeof wish)) == 1)
		serve();
	return more ? 1 : 0;
}
