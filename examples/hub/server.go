package hub

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// Serve writes what each connection says to all others, until l is closed.
func Serve(l net.Listener) {
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for c := range conns {
			c.Close()
		}
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		conn.SetWriteDeadline(time.Now().Add(patience))
		mu.Lock()
		conns[conn] = true
		conn.Write([]byte("{}\n")) // from now on it hears all
		mu.Unlock()
		tasks.Add(1)
		go func() {
			defer tasks.Done()
			lines := bufio.NewScanner(conn)
			lines.Buffer(nil, 2*MaxPayload)
			for lines.Scan() {
				mu.Lock()
				for other := range conns {
					if other != conn {
						other.SetWriteDeadline(time.Now().Add(patience))
						if _, err := other.Write(append(lines.Bytes(), '\n')); err != nil {
							other.Close() // too slow, or gone
						}
					}
				}
				mu.Unlock()
			}
			mu.Lock()
			delete(conns, conn)
			mu.Unlock()
			conn.Close()
		}()
	}
}
