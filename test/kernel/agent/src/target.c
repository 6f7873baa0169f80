// The program that the kernel executes in every case: it reports what has
// become of it on descriptor 3. It is as small as can be, since how fast it
// starts decides how many cases a second can be checked.
#include <linux/auxvec.h>
#include "state.h"

__attribute__((used)) static void report(long *stack)
{
	struct state s = {0};
	long *word = stack + 1 + stack[0] + 1; // behind argc and argv
	while (*word)
		word++; // the environment
	for (word++; word[0] != AT_NULL; word += 2)
		if (word[0] == AT_SECURE)
			s.secure = word[1];
	read_state(&s);
	sys(__NR_write, 3, (long)&s, sizeof s, 0, 0);
	sys(__NR_exit_group, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall report\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\nbl report\n");
#endif
