// Package generate invents populations: persons, the organisations that follow them, agreements,
// accounts and caseloads. It serves the demo, the tests and the benches.
//
// Everything is drawn from a seed (PCG, math/rand/v2): the same preset, size and seed give the same
// bytes, whenever and wherever. Nobody is real: numbers keep their form and their keys and lie in
// ranges that are never allotted (communes of birth from 980 in a NIR, the numbering plan's ranges for
// fiction, SIREN from 000, schools from 9500, bank 99999, addresses at example.test). Names are drawn from lists of this package.
//
// Populations are streams: a million persons cost as much memory as one. The package knows no other
// room; who uses it turns the plain structs into an import and a directory.
package generate
