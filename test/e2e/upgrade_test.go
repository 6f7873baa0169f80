package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/test/e2e/internal/sandbox"
)

// debianTar and fpingDeb are what test/e2e/realcases.sh makes.
func debianTar() string { return artifact("", "../../.cache/realcases/debian.tar") }

func fpingDeb() string { return artifact("", "../../.cache/realcases/fping.deb") }

// debianRoot unpacks the root file system of test/e2e/realcases.sh, with capwise in it.
func debianRoot(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp(sandbox.Dir(), "upgrade-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "tar", "-C", root, "--xattrs", "--xattrs-include=security.capability", "--numeric-owner", "-xpf", debianTar())
	command(t, "install", "-m", "755", capwiseBinary(), filepath.Join(root, "usr/bin/capwise"))
	return root
}

// inRoot runs a command in the root file system, which has /proc for as long as it
// takes, in a mount namespace that ends with it.
func inRoot(t *testing.T, root string, args ...string) string {
	t.Helper()
	return command(t, "unshare", append([]string{
		"--mount", "--propagation", "private", "sh", "-c",
		`mkdir -p "$0/proc" "$0/dev" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"`, root,
	}, args...)...)
}

// pair holds that a launcher stands before the program.
func pair(t *testing.T, root, path string) {
	t.Helper()
	got := inRoot(t, root, "getcap", path, path+".capwise")
	for _, want := range []string{path + " cap_net_raw=p\n", path + ".capwise cap_net_raw=ei\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("getcap says %q, want %q in it", got, want)
		}
	}
	if got := inRoot(t, root, "capwise", "fix", path); got != "nothing to do\n" {
		t.Errorf("a second run says %q", got)
	}
}

// TestUpgradeByDpkg upgrades a real package whose program has a launcher: with the
// example of deploy/upgrade, dpkg has the new program fixed, too.
func TestUpgradeByDpkg(t *testing.T) {
	results.report(t, "upgrade of a package whose program has a launcher", "dpkg")
	need(t, "root", "dpkg-deb", fpingDeb())
	root := debianRoot(t)
	deb := filepath.Join(root, "capwise-fix.deb")
	command(t, "../../deploy/upgrade/dpkg/build.sh", deb)
	command(t, "cp", fpingDeb(), root)

	// Without the trigger: the package brings back the program, and fix says what it does.
	inRoot(t, root, "capwise", "fix", "/usr/bin/fping")
	pair(t, root, "/usr/bin/fping")
	inRoot(t, root, "dpkg", "-i", "/fping.deb")
	if got := inRoot(t, root, "getcap", "/usr/bin/fping"); !strings.Contains(got, "cap_net_raw=ep") {
		t.Fatalf("the package brings %q", got)
	}
	if got := inRoot(t, root, "capwise", "fix", "--dry-run", "/usr/bin/fping"); !strings.Contains(got, "/usr/bin/fping.capwise, left from a launcher that is gone, is replaced") {
		t.Errorf("fix says %q", got)
	}

	// With it: first for the program that is there, then for each that a package brings.
	inRoot(t, root, "dpkg", "-i", "/capwise-fix.deb")
	pair(t, root, "/usr/bin/fping")
	before := inode(t, filepath.Join(root, "usr/bin/fping.capwise"))
	inRoot(t, root, "dpkg", "-i", "/fping.deb")
	pair(t, root, "/usr/bin/fping")
	if inode(t, filepath.Join(root, "usr/bin/fping.capwise")) == before {
		t.Error("the program behind the launcher is the old one")
	}
}

func inode(t *testing.T, path string) string {
	t.Helper()
	return command(t, "stat", "-c", "%i %W %Z", path)
}

const pinger = `Name: pinger
Version: %%VERSION%%
Release: 1
Summary: pings
License: none
%global __os_install_post %{nil}
%global _build_id_links none
%description
pings
%install
mkdir -p %{buildroot}/usr/bin
cp /usr/bin/true %{buildroot}/usr/bin/pinger
echo %{version} >>%{buildroot}/usr/bin/pinger
%files
%caps(cap_net_raw=ep) %attr(755,root,root) /usr/bin/pinger
`

// TestUpgradeByRPM does so with rpm, whose packages bring capabilities themselves.
func TestUpgradeByRPM(t *testing.T) {
	results.report(t, "upgrade of a package whose program has a launcher", "rpm")
	need(t, "root", "rpmbuild", "rpm", debianTar())
	root, top := debianRoot(t), t.TempDir()
	build := func(spec string) {
		command(t, "rpmbuild", "--define", "_topdir "+top, "--define", "_rpmdir "+root, "--define", "_build_name_fmt %{NAME}-%{VERSION}.rpm", "-bb", spec)
	}
	for _, version := range []string{"1", "2"} {
		spec := filepath.Join(top, "pinger.spec")
		if err := os.WriteFile(spec, []byte(strings.ReplaceAll(pinger, "%%VERSION%%", version)), 0o644); err != nil {
			t.Fatal(err)
		}
		build(spec)
	}
	build("../../deploy/upgrade/rpm/capwise-fix.spec")
	install := func(file string) {
		command(t, "unshare", "--mount", "--propagation", "private", "sh", "-c",
			`mkdir -p "$0/proc" "$0/dev" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && rpm --root "$0" --dbpath /var/lib/rpm --nodeps --noplugins -U "$1"`, root, filepath.Join(root, file))
	}
	install("pinger-1.rpm")
	install("capwise-fix-1.rpm")
	pair(t, root, "/usr/bin/pinger")
	install("pinger-2.rpm")
	pair(t, root, "/usr/bin/pinger")
	content, err := os.ReadFile(filepath.Join(root, "usr/bin/pinger.capwise"))
	if err != nil || !strings.HasSuffix(string(content), "2\n") {
		t.Errorf("the program behind the launcher is the old one: %v", errors.Join(err))
	}
}
