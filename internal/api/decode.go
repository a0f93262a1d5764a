package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a request. What is longer is refused before any room sees it.
const (
	maxBodyBytes  = 64 << 10
	maxDepth      = 8
	maxText       = 2000 // runes of free text; the policy's own limits are lower
	maxWord       = 200  // runes of anything else
	maxFieldNames = 64
)

// decode reads the body as one JSON document into v, which it must fit exactly.
func (c *call) decode(v any) error {
	if err := c.parameters(); err != nil {
		return err
	}
	kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &problem{Status: http.StatusUnsupportedMediaType, Code: "content_type.unsupported", Detail: "Send application/json."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.out, c.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &problem{Status: http.StatusRequestEntityTooLarge, Code: "request.too_large", Detail: "A request has at most 64 KiB."}
	case err != nil:
		return badRequest("", "The request broke off.")
	}
	if err := shallow(body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return decodeProblem(err)
	}
	return nil
}

// shallow checks the grammar and refuses nesting beyond maxDepth, before anything is made of it.
func shallow(body []byte) error {
	tokens := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := tokens.ReadToken(); errors.Is(err, io.EOF) && tokens.StackDepth() == 0 {
			return nil
		} else if err != nil {
			return decodeProblem(err)
		}
		if tokens.StackDepth() > maxDepth {
			return badRequest(string(tokens.StackPointer()), "Nested too deeply.")
		}
	}
}

// decodeProblem says what is wrong where, without quoting what was sent.
func decodeProblem(err error) error {
	var semantic *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &semantic):
		return badRequest(string(semantic.JSONPointer), "There is no such member.")
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return badRequest(string(syntax.JSONPointer), "This member is there twice.")
	case errors.As(err, &semantic):
		return badRequest(string(semantic.JSONPointer), "This has the wrong type.")
	case errors.As(err, &syntax):
		return badRequest(string(syntax.JSONPointer), fmt.Sprintf("Not valid JSON near byte %d.", syntax.ByteOffset))
	}
	return badRequest("", "Not one JSON document.")
}

// justification is {"motive","text"}, or a plain string, which is the text.
type justification struct {
	Motive string `json:"motive"`
	Text   string `json:"text"`
}

// UnmarshalJSONFrom takes both forms.
func (j *justification) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, &j.Text)
	}
	type members justification // without this method
	return json.UnmarshalDecode(d, (*members)(j))
}
