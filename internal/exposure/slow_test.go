//go:build race

package exposure_test

// slow: the race detector makes everything several times slower.
const slow = true
