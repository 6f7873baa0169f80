module github.com/capwise/capwise/test/kernel

go 1.26.0

require github.com/capwise/capwise v0.0.0
