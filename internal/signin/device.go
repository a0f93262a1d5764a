package signin

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// deviceLife is how long a browser keeps its number: as long as network and device data are kept.
const deviceLife = 180 * 24 * time.Hour

// device is the number of the browser: a hash of a cookie of its own, made at the first sign-in. Two
// people at one desk have the same, which four eyes rely on. A session counts only beside the cookie of
// the browser that it began in.
func (s *Service) device(w http.ResponseWriter, r *http.Request) string {
	value, ok := s.get(r, deviceCookie)
	if !ok || !wellFormed(value) {
		value = random()
	}
	s.set(w, deviceCookie, value, deviceLife) // kept as long as it is used
	return deviceNumber(value)
}

// knownDevice is the number of the browser that a request comes from, if it has one.
func (s *Service) knownDevice(r *http.Request) (string, bool) {
	value, ok := s.get(r, deviceCookie)
	if !ok || !wellFormed(value) {
		return "", false
	}
	return deviceNumber(value), true
}

func deviceNumber(cookie string) string {
	sum := sha256.Sum256([]byte("device" + cookie))
	return hex.EncodeToString(sum[:16])
}

// browserFamily is a coarse name of a User-Agent, for "my connections": "Firefox, Windows". Nothing of
// what the browser sent is kept.
func browserFamily(userAgent string) string {
	first := func(pairs [][2]string) string {
		for _, p := range pairs {
			if strings.Contains(userAgent, p[0]) {
				return p[1]
			}
		}
		return ""
	}
	browser := first([][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	})
	system := first([][2]string{
		{"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return browser + ", " + system
}

// networkPrefix is the network that an address belongs to: /24 or /48, "" if unknown.
func networkPrefix(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	size := 48
	if ip.Is4() {
		size = 24
	}
	prefix, err := ip.Prefix(size)
	if err != nil || !ip.IsValid() {
		return ""
	}
	return prefix.String()
}
