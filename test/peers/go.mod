module github.com/capwise/capwise/test/peers

go 1.26.0

require (
	github.com/capwise/capwise v0.0.0
	golang.org/x/sys v0.49.0
	kernel.org/pub/linux/libs/security/libcap/cap v1.2.78
)

require kernel.org/pub/linux/libs/security/libcap/psx v1.2.78 // indirect
