package forward

// Kind is what stands at the other end of a connection.
type Kind uint8

// The kinds of remote ends.
const (
	Client Kind = iota
	Route
	kinds
)

// String is the kind as the log and monitoring name it.
func (k Kind) String() string {
	return [kinds]string{"Client", "Router"}[k%kinds]
}

// table has a row an origin and a column an interest.
var table = [kinds][kinds]bool{
	Client: {Client: true, Route: true},
	Route:  {Client: true, Route: false},
}

// Reaches reports whether a message from origin may go to interest of that
// kind.
func Reaches(origin, interest Kind) bool { return table[origin%kinds][interest%kinds] }

// Reroutes reports whether a message from origin that was sent to a queue
// group, none of whose members here takes it, is offered to another server.
// The server it came from knows nothing of that: the interest it chose by was
// on its way out. Since whoever passes a message on has told all others
// before that it has no member left, a message visits a server once.
func Reroutes(origin Kind) bool { return origin == Route }
