// Command diary keeps a channel in a SQLite file. Each run writes what it is told, shows
// what is there, and ends; without a network all of it waits for one.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"strings"

	_ "modernc.org/sqlite" // any driver of SQLite or SQLCipher will do

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
)

func main() {
	if err := run(context.Background(), strings.Join(os.Args[1:], " ")); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, text string) error {
	db, err := sql.Open("sqlite", "file:tea.db?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer db.Close()
	kept, err := store.OpenSQL(ctx, db, store.SQLOptions{}) // makes its tables, all named causeway_…
	if err != nil {
		return err
	}
	node, err := causeway.Open(ctx, causeway.Options{Store: kept}) // and Transport, with a network
	if err != nil {
		return err
	}
	defer node.Close()
	channel, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: "alice-laptop"})
	if err != nil {
		return err
	}
	if _, err := channel.Send(ctx, []byte(text), causeway.SendOptions{}); err != nil {
		return err
	}
	messages, _, err := channel.Messages(ctx, causeway.Log{})
	if err != nil {
		return err
	}
	for _, m := range messages {
		now, err := channel.Receipt(m.ID).Now(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%d. %s (%v)\n", m.Position, m.Content, now.Level)
	}
	return nil
}
