package launch_test

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/launch"
)

// TestBuild holds of each architecture's launcher what the issue asks for.
func TestBuild(t *testing.T) {
	machines := map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM,
		"riscv64": elf.EM_RISCV, "s390x": elf.EM_S390, "ppc64le": elf.EM_PPC64,
	}
	programs := kerneltest.Launchers(t)
	if len(programs) != len(machines) {
		t.Fatalf("%d launchers, want %d", len(programs), len(machines))
	}
	again := exec.Command("../scripts/launchers.sh", t.TempDir())
	again.Env = append(os.Environ(), "GOFLAGS=-race", "GOARM=5", "GOAMD64=v3", "CGO_ENABLED=1") // which must not matter
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for arch, program := range programs {
		t.Logf("%s: %d bytes", arch, len(program))
		const most = 1_500_000
		if len(program) > most {
			t.Errorf("%s: %d bytes, more than %d", arch, len(program), most)
		}
		file, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatal(err)
		}
		if file.Machine != machines[arch] {
			t.Errorf("%s: machine %v", arch, file.Machine)
		}
		for _, p := range file.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: not linked statically: %v", arch, p.Type)
			}
		}
		c := example()
		stamped, err := launch.Stamp(program, c)
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if found, err := launch.Find(stamped); err != nil || found != c {
			t.Errorf("%s: stamped %+v, found %+v, %v", arch, c, found, err)
		}
		packed, err := os.ReadFile(filepath.Join(again.Args[1], arch+".gz"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if second, err := io.ReadAll(r); err != nil || !bytes.Equal(second, program) {
			t.Errorf("%s: built twice, two launchers (%v)", arch, err)
		}
	}
}

const bindCap = "cap_net_bind_service=p"

var bind = capset.Of(capset.NetBindService)

// install puts a launcher for the target beside it and returns its path.
func install(t testing.TB, c launch.Config, fileCaps string) string {
	t.Helper()
	program, err := launch.Stamp(kerneltest.Launchers(t)[runtime.GOARCH], c)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Dir(c.Target)+"/launcher", program, fileCaps)
}

func write(t testing.TB, path string, program []byte, fileCaps string) string {
	t.Helper()
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if fileCaps == "" {
		return path
	}
	caps, err := filecap.FromText(fileCaps)
	if err != nil {
		t.Fatal(err)
	}
	if err := filecap.Set(path, caps); err != nil {
		t.Fatal(err)
	}
	return path
}
