// Package aggregator connects a programme to a partner who delivers through an interface of its own: a seller of lounge passes,
// a network that books data, an airline that credits miles.
//
// The programme's books are the truth about what was ordered, the partner's about what it did. A [Connector] brings them
// together: it issues at the partner what members claimed, by the id of the claim, so that an answer that was lost is asked for
// again and nothing is issued twice; it reports to the books what happened since; and it matches the partner's statement with
// the books, line by line.
//
// [Port] is what such a partner offers. [Reference] is one in this process that behaves as real ones do: it is slow, loses answers,
// refuses, and tells the same twice.
package aggregator
