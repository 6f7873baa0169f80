module github.com/capwise/capwise/test/e2e

go 1.26.0

require (
	github.com/capwise/capwise v0.0.0
	github.com/miekg/dns v1.1.73
	github.com/quic-go/quic-go v0.63.0
	golang.org/x/sys v0.48.0
)

require (
	github.com/quic-go/qpack v0.6.0 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)
