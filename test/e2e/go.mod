module github.com/capwise/capwise/test/e2e

go 1.26.0

require golang.org/x/sys v0.48.0
