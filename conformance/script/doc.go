// Package script reads the conversation scripts of the conformance suite.
//
// Owns: the text format and its syntax errors (file and line in each).
// Does not own: what a step does (package session) or what a server answers
// (the golden transcripts).
//
// Options of open and join: at=cluster (another port), tls (upgrade after INFO), tlsfirst, cert=NAME (a
// client certificate), noverify, maxtls=1.2, suite=NAME, curve=NAME, raw (do not
// wait for INFO), nopong (leave the server's PINGs unanswered and show them),
// rcvbuf=BYTES, prefix="bytes sent before anything else". Of join and connect:
// nkey=NAME (sign the nonce), stdsig (in standard base64), badsig, proxykey=NAME.
//
// Options of peer and accept: name=N (the server played, if not that of the
// connection), cluster=C, dynamic, pool=N, idx=N, account=A, compression=MODE, s2 (what
// follows INFO is compressed), ip=URL, urls=HOST:PORT,.., user, pass, show (record the
// handshake), mute (accept without sending INFO); the JSON is merged into INFO. What
// servers tell each other in the system account is left out.
//
// # Format
//
// A file holds the scripts of one area. Lines that are blank or begin with #
// are ignored. A block is a line that ends in a colon, followed by lines
// indented by two blanks.
//
//	common:                         configuration put before that of every script in the file
//	=== name: what it shows         begins a script
//	config:                         configuration of the server (its ports and name are added)
//	nohttp                          start the server without a monitoring port
//	mask REGEXP => TEXT             replace in the transcript, for what is random by design
//
// Steps:
//
//	A> SUB foo 1                    send a line with CRLF; neighbouring lines of one connection are one write
//	A>> PU                          send exactly these bytes, then wait until the server has read them
//	open A B [options]              dial and take the INFO
//	join A B [options] [{json}]     open, CONNECT, PING/PONG; not in the transcript unless refused
//	connect A [options] {json}      CONNECT with the usual fields and these, PING/PONG twice
//	sync A B                        PING, then record everything up to its PONG
//	wait A "text"                   record up to the first line that contains text
//	closed A [after=D before=D]     record up to the close by the server
//	close A                         close from our side
//	pause A                         stop reading from the socket
//	resume A                        read again, dropping deliveries
//	group A B                       sync, then record what the connections got as one sorted set
//	tally A B by=K round=N          sync, then count deliveries by subject, conn or sid, as rounded percentages
//	flood A subject=S size=N count=N   publish many messages
//	http GET /path MODE [keep=a,b]  MODE is body, shape or status
//	until /path "regexp"            poll a monitoring page until it matches
//	reason A B                      the reason the server gives for the closed connection
//	signal NAME                     hup, usr1, usr2, term, int or kill
//	peer A [options] [{json}]       dial the route port, take INFO, send CONNECT, INFO, PING as a server; up to the PONG
//	accept A [options] [{json}]     take a connection that the server dialed (a route to @peer@), send INFO
//	logged "regexp"                 wait for a line of the server's log, record its groups
//	exit                            wait for the end of the process, record its status
//	refused                         wait until the client port refuses connections
//	reload: / reload-refused:       new configuration, SIGHUP, and wait for it to be taken or refused
//	start-refused                   the configuration must stop the server from starting (a script of its own)
//
// In sent bytes and quoted options \r \n \t \f \v \\ \" and \xNN are escapes, and
// <<x*300>> stands for 300 times x. In everything @name@ stands for a value of
// the session: @port@, @cluster@, @peer@, @http@, @https@, @certs@, @pin:client@, @dir@, @nkey:alice@, @bcrypt:secret@.
package script
