package launch

import (
	"strings"
)

// Pinned is what a launcher does: it reads its Config from the block, makes
// ambient what that names and is permitted, and replaces the process by the
// target. It returns only if that fails, and then an [*Error]. The caller has its
// goroutine locked to the thread.
//
// Neither the arguments nor the environment decide what is started. Where the
// launcher gives a capability, the target is first checked by checkTarget; where it
// gives none, it starts the target as any user could. Where the capabilities came
// from the launcher's file and go on as ambient, it takes those variables out of
// the environment that the dynamic linker would have taken out, had the file been
// the target's. Where the target's file gives them ([File]), the dynamic linker
// does so itself.
func Pinned(block []byte, args, env []string) error {
	var c Config
	if err := c.UnmarshalBinary(block); err != nil {
		return failed("", err)
	}
	before, err := current()
	if err != nil {
		return failed("", err)
	}
	after, err := c.after(before)
	if err != nil {
		return failed(c.Target, err)
	}
	if gained := before.gained(); gained || after.gives(before.sets) {
		if err := checkTarget(c.Target, c.Owner); err != nil {
			return err
		}
		if gained && c.By == Ambient {
			env = secureEnvironment(env)
		}
	}
	return become(c.Target, args, env, before.sets, after)
}

// after returns what the sets become, by the means of the Config.
func (c Config) after(before state) (sets, error) {
	if c.By == File {
		return c.planFile(before), nil
	}
	return c.plan(before)
}

// secureEnvironment returns the environment without what can make a program run
// other code before it has looked at its own AT_SECURE, which the target has not.
func secureEnvironment(env []string) []string {
	kept := env[:0:0]
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "LD_") && !strings.Contains(unsecure, " "+name+" ") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// unsecure lists the variables, besides LD_*, that glibc's ld.so takes out of the
// environment under AT_SECURE (sysdeps/generic/unsecvars.h), and those with which
// OpenSSL 3 loads modules and which it ignores there (secure_getenv).
const unsecure = " GCONV_PATH GETCONF_DIR GLIBC_TUNABLES HOSTALIASES LOCALDOMAIN LOCPATH MALLOC_CHECK_ MALLOC_TRACE NIS_PATH" +
	" NLSPATH OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES RESOLV_HOST_CONF RES_OPTIONS TMPDIR TZDIR "
