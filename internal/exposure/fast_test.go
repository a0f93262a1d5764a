//go:build !race

package exposure_test

const slow = false
