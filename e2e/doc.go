// Package e2e holds the journeys that a person takes through the pages, in Debian's Chromium, each
// page checked by axe-core. Its tests carry the build tag e2e and are run by "make e2e", which
// installs axe-core from npm first; nothing else of the program needs a browser or npm.
package e2e
