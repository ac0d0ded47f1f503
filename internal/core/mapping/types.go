package mapping

// Destination is one weighted target of a subject mapping.
type Destination struct {
	Subject string
	Weight  uint8  // 0..100
	Cluster string // "" = every cluster
}

// Rule maps Source (literal or with wildcards) to weighted destinations. The
// weight that the destinations of one cluster scope leave to 100 stays with
// the original subject.
type Rule struct {
	Source       string
	Destinations []Destination
}
