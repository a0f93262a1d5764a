package web

// Text is the catalogue's text of a key in "fr" or "en", for the other door that speaks to people: the
// API takes the words of reasons from here (reason.CODE.message, reason.CODE.remedy). false if there is
// none.
func (s *Site) Text(lang, key string) (string, bool) {
	texts, ok := s.templates.texts[lang]
	if !ok || !texts.has(key) {
		return "", false
	}
	text, err := texts.text(key)
	return text, err == nil
}
