//go:build !unix

package fix

const noFollow = 0
