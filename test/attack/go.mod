module github.com/capwise/capwise/test/attack

go 1.26.0

require github.com/capwise/capwise v0.0.0
