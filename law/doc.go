// Package law is a model of what Linux does with capabilities when a program
// is started and when it binds a port. It is the one place of this project that
// knows the rules; everything that predicts, explains or advises asks it.
//
// [Exec] is execve(2), [Bind] is bind(2) for an Internet address, and
// [Task.SetUIDs] is setresuid(2). [Run] goes through several of them, since
// capabilities get lost between one execve(2) and the next. All are pure: they
// read nothing and, apart from the trace of Run, allocate nothing, so that they
// can be called millions of times, on every system.
//
// The rules are those of security/commoncap.c, fs/exec.c, kernel/cred.c and
// net/ipv4/af_inet.c, and each names its function. That they are what the
// running kernel does is not claimed but checked: test/kernel drives a kernel
// through the input space and compares.
//
// # What is not modelled
//
// Security modules (SELinux, AppArmor, Smack), seccomp filters and BPF programs
// may refuse what these rules allow. File permissions, missing files and
// interpreters are not judged either: Exec answers only what becomes of the
// credentials. The sets of a [Task] are seen from its user namespace, and so are
// all ids.
package law
