//go:build !linux

package diagnose

import "os"

// Self returns no facts: only Linux has these capabilities. Every port counts
// as free.
func Self() Facts {
	return Facts{UID: os.Geteuid(), NetworkOwner: OwnerUnknown, Environment: PlainHost}
}
