package peer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// maxLine bounds a command in bytes: the largest message that anybody reads, 4
// MiB, in base64 and with much room. What is longer is refused as a whole.
const maxLine = 16 << 20

// Serve runs commands from in until "exit" or the end of in. An error is about
// cfg, in or out; whatever is wrong with a command is an event.
func Serve(cfg Config, in io.Reader, out io.Writer) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	s := &server{out: bufio.NewWriter(out), now: cfg.Now}
	s.json = json.NewEncoder(s.out)
	s.json.SetEscapeHTML(false)
	s.machine = newMachine(cfg, s.clock(), s.emit)
	s.emit(readyEvent{"ready", "causeway", string(cfg.Channel), string(cfg.Sender), cfg.Dialect.String(), cfg.CausalHistory,
		cfg.PossibleAcks, ms(cfg.LostTimeout), !cfg.NoRepair, cfg.RepairBuffer, ms(cfg.TMin), ms(cfg.TMax), cfg.Groups})
	lines := bufio.NewReaderSize(in, 64<<10)
	for !s.exit {
		if err := s.flush(); err != nil {
			return err
		}
		line, tooLong, err := readLine(lines)
		if len(line) > 0 || tooLong {
			s.command(line, tooLong)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	return s.flush()
}

// readLine returns the next line without its end. tooLong: it was longer than
// maxLine, and is gone.
func readLine(r *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			line, tooLong = nil, true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

type server struct {
	machine *machine
	out     *bufio.Writer
	json    *json.Encoder
	failed  error  // of out
	now     *int64 // nil: the clock of the machine
	exit    bool
}

func (s *server) clock() int64 {
	if s.now != nil {
		return *s.now
	}
	return time.Now().UnixMilli()
}

// emit writes one line. It fails for the first time only.
func (s *server) emit(event any) {
	if err := s.json.Encode(event); err != nil && s.failed == nil {
		s.failed = err
	}
}

func (s *server) flush() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.failed
}

// args are the fields of a command.
type args map[string]json.RawMessage

// command runs one line and says that it is done.
func (s *server) command(line []byte, tooLong bool) {
	var a args
	var name string
	err := fmt.Errorf("line has more than %d bytes", maxLine)
	if !tooLong {
		if err = json.Unmarshal(line, &a); err != nil {
			err = fmt.Errorf("line is not a JSON object: %w", err)
		} else if a == nil {
			err = errors.New("line is not a JSON object")
		} else if err = a.get("cmd", &name, true); err == nil {
			err = s.do(name, a)
		}
	}
	if err != nil {
		s.emit(problemEvent{"error", err.Error()})
	}
	s.emit(doneEvent{"done", name, a["seq"]})
}

// get reads a field. One that is absent or null is left as it is; if it is needed,
// that is an error.
func (a args) get(name string, to any, needed bool) error {
	raw := a[name]
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		if needed {
			return fmt.Errorf("field %q is missing", name)
		}
		return nil
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("field %q: %w", name, err)
	}
	return nil
}

func (s *server) do(name string, a args) error {
	do := commands[name]
	if do == nil {
		return fmt.Errorf("unknown command %q", name)
	}
	return do(s, a)
}

var commands = map[string]func(*server, args) error{
	"send":      (*server).send,
	"ephemeral": (*server).ephemeral,
	"receive":   (*server).receive,
	"sweep":     (*server).sweep,
	"sync":      func(s *server, _ args) error { return s.machine.sync(s.clock()) },
	"state":     func(s *server, _ args) error { s.machine.state(); return nil },
	"decode":    (*server).decode,
	"clock":     (*server).setClock,
	"exit":      func(s *server, _ args) error { s.exit = true; return nil },
}

func (s *server) send(a args) error {
	var content, hint []byte
	var fail bool
	if err := errors.Join(a.get("content", &content, true), a.get("retrievalHint", &hint, false), a.get("fail", &fail, false)); err != nil {
		return err
	}
	return s.machine.send(s.clock(), content, hint, fail)
}

func (s *server) ephemeral(a args) error {
	var content []byte
	if err := a.get("content", &content, true); err != nil {
		return err
	}
	return s.machine.ephemeral(content)
}

func (s *server) receive(a args) error {
	var payload, hint []byte
	if err := errors.Join(a.get("payload", &payload, true), a.get("retrievalHint", &hint, false)); err != nil {
		return err
	}
	return s.machine.receive(s.clock(), payload, hint)
}

func (s *server) sweep(a args) error {
	var resend bool
	if err := a.get("resend", &resend, false); err != nil {
		return err
	}
	s.machine.sweep(s.clock(), resend)
	return nil
}

func (s *server) decode(a args) error {
	var payload []byte
	if err := a.get("payload", &payload, true); err != nil {
		return err
	}
	m, err := wire.Decode(payload)
	if err != nil {
		s.emit(problemEvent{"undecodable", err.Error()})
		return nil
	}
	s.emit(newDecoded(&m))
	return nil
}

// setClock takes "now", with null for the clock of the machine, or "advance".
func (s *server) setClock(a args) error {
	_, hasNow := a["now"]
	_, hasAdvance := a["advance"]
	if hasNow == hasAdvance {
		return errors.New(`clock wants "now" or "advance"`)
	}
	if string(a["now"]) == "null" {
		s.now = nil
		return nil
	}
	now := s.clock()
	if hasNow {
		if err := a.get("now", &now, true); err != nil {
			return err
		}
	} else {
		var by int64
		if err := a.get("advance", &by, true); err != nil {
			return err
		}
		if by < -maxClock || by > maxClock {
			return fmt.Errorf("field %q is %d, limit %d ms either way", "advance", by, int64(maxClock))
		}
		now += by
	}
	if err := checkTime(now); err != nil {
		return err
	}
	s.now = &now
	return nil
}
