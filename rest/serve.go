package rest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// stopTime bounds how long Serve waits for requests in flight.
const stopTime = 10 * time.Second

// Listen listens on a host and port, or on a unix socket: "unix:" and its path, which
// only its owner can use. A socket that nobody listens on any more is replaced.
func Listen(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("rest: %w", err)
		}
		return l, nil
	}
	if path == "" {
		return nil, fmt.Errorf("rest: %w: unix: needs a path", ErrOptions)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("rest: %s is there and is no socket", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("rest: somebody listens on %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("rest: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("rest: %w", err)
	}
	return l, nil
}

// Serve answers requests until ctx ends; then it ends streams and polls that wait,
// finishes what is in flight and returns. It closes the listener. Where others than
// this machine could reach it, it wants a token.
func (a *API) Serve(ctx context.Context, l net.Listener) error {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && a.o.Token == "" {
		l.Close()
		return fmt.Errorf("rest: %w: Token is required to listen on %s, which others can reach", ErrOptions, l.Addr())
	}
	server := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(a.o.Log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		a.Close()
		return fmt.Errorf("rest: %w", err)
	case <-ctx.Done():
	}
	a.Close()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err := server.Shutdown(stopping)
	if err != nil {
		err = errors.Join(fmt.Errorf("rest: requests were broken off: %w", err), server.Close())
	}
	<-failed
	return err
}
