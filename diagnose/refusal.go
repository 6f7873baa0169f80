package diagnose

import (
	"fmt"

	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// lowestLocalPort is the first of net.ipv4.ip_local_port_range, as it is by default.
// The kernel refuses to let unprivileged ports begin behind it (proc_..._ports of
// net/ipv4/sysctl_net_ipv4.c: EINVAL).
const lowestLocalPort = 32768

// refusal is why the runtime does not start the program, nil where it does: for what
// the source says, or for a setting that the kernel does not take.
func refusal(k law.Kernel, s *scenario.Start) *scenario.Refusal {
	set := &s.Settings
	sysctl := set.PortStart != scenario.Unset && set.SetsPortStart
	switch {
	case s.Refused != nil:
		return s.Refused
	case sysctl && k.NoPortStart:
		return &scenario.Refusal{
			Cause:  scenario.CauseSysctlRefused,
			Reason: "the kernel has no net.ipv4.ip_unprivileged_port_start before 4.11 (no such file or directory)",
		}
	case sysctl && set.PortStart > lowestLocalPort:
		return &scenario.Refusal{
			Cause:  scenario.CauseSysctlRefused,
			Reason: fmt.Sprintf("the kernel refuses net.ipv4.ip_unprivileged_port_start=%d with EINVAL: net.ipv4.ip_local_port_range begins at %d", set.PortStart, lowestLocalPort),
		}
	case set.Rootless && s.Running == nil:
		return rootlessPort(s)
	default:
		return nil
	}
}

// rootlessPort says which published port the runtime of an ordinary user, which has no
// capability on the host, cannot bind there.
func rootlessPort(s *scenario.Start) *scenario.Refusal {
	for _, l := range s.Published {
		if l.Port > 0 && l.Port < s.Settings.HostPortStart {
			return &scenario.Refusal{
				Cause: scenario.CauseRootlessPort,
				Reason: fmt.Sprintf("%s runs without root and cannot publish port %d of the host, where net.ipv4.ip_unprivileged_port_start is %d",
					s.Settings.Runtime.Name, l.Port, s.Settings.HostPortStart),
			}
		}
	}
	return nil
}
