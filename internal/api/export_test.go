package api

// Patterns of the routes, for tests outside the package.
func Patterns() (list []string) {
	for _, r := range routes {
		list = append(list, r.pattern)
	}
	return list
}

// ForPrograms reports whether a token may call a route.
func ForPrograms(pattern string) bool { return forPrograms[pattern] }

// Public reports whether a route needs no caller.
func Public(pattern string) bool {
	for _, r := range routes {
		if r.pattern == pattern {
			return r.public
		}
	}
	return false
}
