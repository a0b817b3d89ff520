package waku

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// call sends a request on a stream of its own to a connected peer, and reads the
// answer, within the time for requests. An error wraps ctx.Err() if ctx ended
// first.
func (n *Node) call(ctx context.Context, p peer.ID, id protocol.ID, request []byte) (answer []byte, err error) {
	inner, cancel := context.WithTimeout(ctx, n.opts.pace.request)
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}()
	s, err := n.host.NewStream(network.WithNoDial(inner, "only keepers dial"), p, id)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	defer context.AfterFunc(inner, func() { s.Reset() })()
	if err := wire.WriteFrame(s, request); err != nil {
		return nil, errors.Join(err, s.Reset())
	}
	if err := s.CloseWrite(); err != nil {
		return nil, errors.Join(err, s.Reset())
	}
	answer, err = wire.ReadFrame(bufio.NewReader(s), wire.MaxRequest)
	if err != nil {
		return nil, errors.Join(err, s.Reset())
	}
	return answer, nil
}

// serve reads one request from a stream and writes the answer of handle; nil
// resets the stream.
func (n *Node) serve(s network.Stream, handle func(p peer.ID, request []byte) (answer []byte)) {
	s.SetDeadline(time.Now().Add(n.opts.pace.request))
	request, err := wire.ReadFrame(bufio.NewReader(s), wire.MaxRequest)
	if err != nil {
		s.Reset()
		return
	}
	answer := handle(s.Conn().RemotePeer(), request)
	if answer == nil || wire.WriteFrame(s, answer) != nil {
		s.Reset()
		return
	}
	s.Close()
}
