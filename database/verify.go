package database

import "errors"

// Answer is what a verify query or a check was answered: how many rows of how many columns, and whether all of them said true.
type Answer struct {
	Rows, Columns int
	AllTrue       bool
}

// Verdict judges it: there is an answer, of one column, and every row of it is true. Nothing is taken for true that is not: a query
// that lists offenders has no row in the good case, and would say true for an offender whose number is 1.
func (a Answer) Verdict() error {
	const remedy = "; write a query that answers true, such as SELECT count(*) = 0 FROM the offenders"
	switch {
	case a.Rows == 0:
		return errors.New("it answered no row" + remedy)
	case a.Columns != 1:
		return errors.New("it answered more than one column" + remedy)
	case !a.AllTrue:
		return errors.New("it does not hold: the answer is not true")
	}
	return nil
}
