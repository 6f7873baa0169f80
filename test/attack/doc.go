// Package attack runs attackers against "capwise fix": a user without privileges who
// owns a folder in the tree that root fixes, and swaps what is in it meanwhile. After
// each run it looks whether he, or anybody, has gained something, or whether a file of
// the system has lost something.
//
// CAPWISE names the program. CAPWISE_ATTACK_RUNS is how many runs an attack gets, and
// CAPWISE_ATTACK_WINDOWS how many of the system calls of each mode are delayed in turn,
// by strace, to widen the windows; "all" for all. CAPWISE_ATTACK_RESULTS names a
// file for the table. See scripts/test-attack.sh.
package attack
