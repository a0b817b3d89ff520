package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements are those that were prepared: that costs more than running most of them.
// They stay prepared, on each connection that needed them, until that is closed. The
// zero value is ready to use. Safe for concurrent use.
type statements struct {
	mu     sync.RWMutex
	byText map[string]*sql.Stmt
}

// maxStatements is above the number of texts that there are.
const maxStatements = 256

func (s *statements) of(text string) *sql.Stmt {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byText[text]
}

// keep prepares statements that a transaction had to prepare for itself. It needs a
// connection, so nobody may call it who has one: there may be no second. What can't
// be prepared now is left for another time.
func (s *statements) keep(ctx context.Context, of *SQL, texts []string) {
	for _, text := range texts {
		if ctx.Err() != nil {
			return
		}
		st, err := of.db.PrepareContext(ctx, of.text(text))
		if err != nil {
			return
		}
		if !s.add(text, st) {
			st.Close()
		}
	}
}

// add returns false if there is one of this text already, or too many.
func (s *statements) add(text string, st *sql.Stmt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byText[text] != nil || len(s.byText) >= maxStatements {
		return false
	}
	if s.byText == nil {
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[text] = st
	return true
}
