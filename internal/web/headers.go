package web

import (
	"net/http"
	"strings"
)

// permissions switches off every browser feature that the desk never uses.
const permissions = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), " +
	"fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), magnetometer=(), microphone=(), " +
	"midi=(), payment=(), picture-in-picture=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"

// contentSecurityPolicy allows what is served here and nothing else: no inline style or script, no
// other origin. targets are the origins of identity providers: a browser applies form-action to the
// redirects of a form too, so that signing out there needs them named.
func contentSecurityPolicy(targets []string) string {
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action " + strings.Join(append([]string{"'self'"}, targets...), " ") +
		"; frame-ancestors 'none'; base-uri 'none'"
}

// secure sets the headers that every answer carries, errors included.
func (s *Site) secure(next http.Handler) http.Handler {
	policy := contentSecurityPolicy(s.config.FormTargets)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", permissions)
		h.Set("X-Robots-Tag", "noindex, nofollow")
		if strings.HasPrefix(s.config.PublicURL, "https://") {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		h.Set("Cache-Control", "no-store")
		h.Add("Vary", "Cookie, Accept-Language")
		next.ServeHTTP(w, r)
	})
}
