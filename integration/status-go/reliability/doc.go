// Package reliability has the shape of status-go's reliability layer, over
// Causeway: what status-go calls by these names today is called alike here, and what
// it could not have before is beside it. status-go is not imported; what it would give
// is declared as small interfaces and functions in Options.
//
//	r, err := reliability.New(reliability.Options{DB: db, Logger: logger, DataSync: datasync,
//		Person: publicKeyHex, Installation: installationID, Processed: cache, Fetcher: transport,
//		Dispatch: encryptSegmentPublish, Delivered: markDelivered, Receipt: showReceipt})
//	err = r.Start()
//	defer r.Close()
//
// To send a community message: WrapPayloadForSDS, encrypt, segment, publish, and then
// TrackWithSDSAlias with the hashes of the envelopes. To receive: reassemble, decrypt,
// UnwrapPayloadFromSDS. What is no SDS message passes through as it is.
//
// # What survives a restart
//
// All of it is in the host's database, in tables of its own prefix: what is known and
// missing in each channel, what waits for acknowledgement and who acknowledged it,
// which application id belongs to which SDS id, and the hints by which others fetch a
// message. An acknowledgement that comes after a restart is still shown, and one that
// was not yet shown when the process ended is shown at the next Start.
//
// # Who has a message
//
// UpdateDescription tells who is in a community. From then on a Receipt counts persons,
// k of n, and Delivered means that a member has the message. Before, Delivered means
// that anybody has.
//
// # Time online
//
// Start and Stop are online and offline; Stop keeps everything. What the library wants
// to send meanwhile (resends, repairs, acknowledgements) waits for Start, and what
// could not be fetched is tried again then. SetPaused is for a mobile in the
// background: it sends nothing by itself. Close waits for calls in progress; calls
// after it, and before the next Start, are ErrSDSManagerUnavailable.
//
// # Callbacks
//
// Delivered and Receipt are called inside the call that causes them, with no lock held:
// they may wrap and unwrap, also while somebody closes, but must not call Start, Stop,
// Close or UpdateDescription. Dispatch and Fetcher are called by goroutines of this package, which end
// with Close.
package reliability
