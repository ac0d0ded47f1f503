// Package session holds one scripted conversation with one server process.
//
// Owns: starting the server a script asks for, its connections (plain, TLS,
// behind a PROXY header), the meaning of each step, the lines of the
// transcript.
// Does not own: the script format (package script), what is masked (package
// transcript), finding binaries (package target).
//
// Concurrency: Run uses one goroutine for the steps and one a connection for
// reading; the latter end with Run. Runs are independent of each other.
//
// Invariants: no step waits for a length of time. A step waits for an answer, a
// close or a page's content, and gives up after Env.Patience; what did not come
// stands in the transcript as a note.
package session
