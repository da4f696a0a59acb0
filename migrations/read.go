package migrations

import (
	"bytes"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
)

// few files are read one after the other: a second thread costs more than it saves.
const few = 200

// readFiles returns those of the files that could be read, in their order, and notes what is wrong with the others. Nearly all
// that a large set costs a start are the calls of the kernel that read it, so that they are spread over the processors.
func (l *loader) readFiles(names []string) []source {
	type result struct {
		source
		problem *Problem
	}
	results := make([]result, len(names))
	var next atomic.Int64
	read := func() {
		for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
			results[i].source, results[i].problem = readFile(l.fsys, names[i])
		}
	}
	var others sync.WaitGroup
	if len(names) > few {
		for range min(runtime.GOMAXPROCS(0), 8) - 1 {
			others.Go(read)
		}
	}
	read()
	others.Wait()

	files := make([]source, 0, len(names))
	for _, r := range results {
		if r.problem != nil {
			l.problems = append(l.problems, r.problem)
			continue
		}
		files = append(files, r.source)
	}
	return files
}

func (l *loader) readFile(name string) (source, bool) {
	f, problem := readFile(l.fsys, name)
	if problem != nil {
		l.problems = append(l.problems, problem)
	}
	return f, problem == nil
}

func readFile(fsys fs.FS, name string) (source, *Problem) {
	wrong := func(line int, msg, remedy string) (source, *Problem) {
		return source{}, &Problem{File: name, Line: line, Msg: msg, Remedy: remedy}
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return source{}, &Problem{File: name, Msg: "can't be read (" + plainCause(err) + ")", Remedy: "check its permissions and the mount", cause: err}
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return wrong(1, "is UTF-16", "save it as UTF-8")
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return wrong(1+bytes.Count(data[:i], []byte("\n")), "holds a NUL byte", "save it as text in UTF-8")
	}
	f := source{path: name, text: normalise(string(data))}
	if n, _ := nativeName(f.base()); f.blank() && !n.down {
		return wrong(0, "is empty", "write the change, or delete the file")
	}
	return f, nil
}

// plainCause is an error of the file system without its path, which is the image's business.
func plainCause(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
