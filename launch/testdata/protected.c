/* Says what protects it from who starts it; then waits for its standard input to end. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char byte;

	setbuf(stdout, NULL);
	printf("secure %ld\n", getauxval(AT_SECURE));
	printf("environment %s\n", secure_getenv("CAPWISE_TEST") ? "seen" : "hidden");
	printf("preload %s\n", getenv("LD_PRELOAD") ? "seen" : "taken out");
	printf("descriptor %s\n", write(9, "x", 1) == 1 ? "open" : "closed");
	if (system("grep CapPrm /proc/self/status") != 0)
		printf("no child\n");
	printf("ready\n");
	while (argc > 1 && read(0, &byte, 1) == 1)
		;
	return 0;
}
