module github.com/capwise/capwise

go 1.25.0
