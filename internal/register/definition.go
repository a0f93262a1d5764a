package register

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"ecluse"
	"ecluse/internal/policy"
	"ecluse/internal/tomlfile"
	"ecluse/internal/training"
)

// The files of a register's folder that define it.
const (
	SchemaFile   = "schema.toml"    // always there (ParseSchema)
	PoliciesFile = "policies.cedar" // what is forbidden besides
	TextsFile    = "texts.toml"     // what pages say of it
	TrainingFile = "training.toml"  // what its agents learn and are asked
)

var (
	definitionFiles = []string{SchemaFile, PoliciesFile, TextsFile, TrainingFile} // in the order in which they are stored
	besideFiles     = []string{"population.toml"}                                 // of the folder, for others than the register
)

// Definition is what a register is set up from: the files of its folder, read and found good. The row of a
// register stores them as one text, which its MAC covers. It never changes. Safe for concurrent use.
type Definition struct {
	Schema   *Schema
	Forbids  *policy.Forbids // nil = no policies
	Texts    Texts
	Training *training.Course // nil: whoever opens files needs none

	files []File // in the order of definitionFiles
}

// File is one file of a definition.
type File struct {
	Name string // in the folder
	Path string // for messages; "" = Name
	Data []byte
}

// ReadDefinition reads the definition in a folder, which is named for messages. What is neither TOML nor Cedar
// there is for others; a TOML or Cedar file that nobody would read is refused. The error joins one *SchemaError
// for each thing that is wrong.
func ReadDefinition(name string, folder fs.FS) (*Definition, error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, fmt.Errorf("read the definition in %s: %w", name, err)
	}
	var files []File
	for _, e := range entries {
		if ext := path.Ext(e.Name()); ext != ".toml" && ext != ".cedar" || slices.Contains(besideFiles, e.Name()) {
			continue
		}
		data, err := fs.ReadFile(folder, e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the definition in %s: %w", name, err)
		}
		files = append(files, File{Name: e.Name(), Path: path.Join(name, e.Name()), Data: data})
	}
	return Define(files...)
}

// Define makes a definition of files, in any order. The error joins one *SchemaError for each thing that is wrong.
func Define(files ...File) (*Definition, error) {
	d := &Definition{}
	var errs []error
	for _, f := range files {
		if f.Path == "" {
			f.Path = f.Name
		}
		errs = append(errs, f.check())
		d.files = append(d.files, f)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortFunc(d.files, func(a, b File) int {
		return slices.Index(definitionFiles, a.Name) - slices.Index(definitionFiles, b.Name)
	})
	if err := d.parse(); err != nil {
		return nil, err
	}
	return d, nil
}

// parse reads the files, each in its own words.
func (d *Definition) parse() (err error) {
	if len(d.files) == 0 || d.files[0].Name != SchemaFile {
		return &SchemaError{File: SchemaFile, Problem: "there is no such file", Remedy: "a register needs a schema: copy a preset's folder"}
	}
	for i := 1; i < len(d.files); i++ {
		if f := d.files[i]; f.Name == d.files[i-1].Name {
			return &SchemaError{File: f.Path, Problem: "the file stands twice", Remedy: "keep one of them"}
		}
	}
	if d.Schema, err = ParseSchema(d.files[0].Path, d.files[0].Data); err != nil {
		return err
	}
	return errors.Join(d.parsePolicies(), d.parseTexts(), d.parseTraining())
}

func (d *Definition) parseTexts() (err error) {
	if f, there := d.file(TextsFile); there {
		d.Texts, err = parseTexts(f.Path, f.Data)
	}
	return err
}

func (d *Definition) parseTraining() (err error) {
	if f, there := d.file(TrainingFile); there {
		d.Training, err = training.Parse(f.Path, f.Data)
	}
	return err
}

func (d *Definition) parsePolicies() error {
	f, there := d.file(PoliciesFile)
	if !there {
		return nil
	}
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return fmt.Errorf("find the hours of policies: %w", err)
	}
	v := policy.Vocabulary{Fields: map[string]ecluse.FieldSet{}, Classes: map[ecluse.FieldClass]ecluse.FieldSet{}, Zone: zone}
	for _, p := range d.Schema.Purposes {
		v.Purposes = append(v.Purposes, p.ID)
	}
	for _, field := range d.Schema.Fields {
		v.Fields[field.Name] = v.Fields[field.Name].With(field.Bit)
		v.Classes[field.Class] = v.Classes[field.Class].With(field.Bit)
	}
	d.Forbids, err = policy.ParseForbids(f.Path, f.Data, v)
	return err
}

// check refuses what could not be stored as it is.
func (f File) check() error {
	bad := func(line int, problem, remedy string) error {
		return &SchemaError{File: f.Path, Line: line, Column: min(line, 1), Problem: problem, Remedy: remedy}
	}
	switch {
	case !slices.Contains(definitionFiles, f.Name):
		return bad(0, "no such file belongs to a register", "take it out or correct its name: "+strings.Join(definitionFiles, ", "))
	case len(f.Data) > tomlfile.MaxBytes:
		return bad(0, "the file is larger than 256 KiB", "a definition holds no data")
	case !utf8.Valid(f.Data) || bytes.IndexByte(f.Data, 0) >= 0:
		return bad(0, "the file is not text", "save it as UTF-8")
	}
	if parts := txtar.Parse(f.Data); len(parts.Files) > 0 {
		line := 1 + bytes.Count(parts.Comment, []byte("\n"))
		return bad(line, "a line between -- and --", "files are kept in one text, in which such a line begins another: write it otherwise")
	}
	return nil
}

// File is the text of a file of the definition, as it was written but for a line break at its end; nil without
// one. Do not change it.
func (d *Definition) File(name string) []byte {
	f, _ := d.file(name)
	return f.Data
}

func (d *Definition) file(name string) (File, bool) {
	i := slices.IndexFunc(d.files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return File{}, false
	}
	return d.files[i], true
}

// Text is the whole definition as it is stored: a txtar archive.
func (d *Definition) Text() []byte {
	archive := &txtar.Archive{}
	for _, f := range d.files {
		archive.Files = append(archive.Files, txtar.File{Name: f.Name, Data: f.Data})
	}
	return txtar.Format(archive)
}

// stored reads what Text wrote for a register. A text without any file is a schema: it was stored before there
// were other files.
func stored(code string, text []byte) (*Definition, error) {
	archive := txtar.Parse(text)
	if len(archive.Files) == 0 {
		archive.Files = []txtar.File{{Name: SchemaFile, Data: archive.Comment}}
	}
	var files []File
	for _, f := range archive.Files {
		files = append(files, File{Name: f.Name, Path: path.Join(code, f.Name), Data: f.Data})
	}
	return Define(files...)
}

func digest(text []byte) []byte {
	d := sha256.Sum256(text)
	return d[:]
}
