// Package peers compares capwise with the tools and libraries that do the same
// work: what they answer, as tests, and how long they take, as benchmarks. It
// is a module of its own so that no other has to require a peer.
package peers
