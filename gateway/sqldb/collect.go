package sqldb

// Each calls f for each row of a query, of which it takes what Query returned,
// and closes the Rows. It ends at the first error: of the query, of f, or of
// what ended the rows early.
//
//	rows, err := r.Query(ctx, "SELECT name, n FROM t_item")
//	err = sqldb.Each(rows, err, func(r *sqldb.Rows) error { ... })
func Each(rows *Rows, err error, f func(r *Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Collect is Each for a list: of what scan makes of each row, nil where there
// are no rows or an error is returned.
func Collect[T any](rows *Rows, err error, scan func(r *Rows) (T, error)) ([]T, error) {
	var list []T
	err = Each(rows, err, func(r *Rows) error {
		v, err := scan(r)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Column is Collect for a query of one column, whose values fit into T as Scan
// says:
//
//	names, err := sqldb.Column[string](r.Query(ctx, "SELECT name FROM t_item"))
func Column[T any](rows *Rows, err error) ([]T, error) {
	return Collect(rows, err, func(r *Rows) (v T, err error) {
		err = r.Scan(&v)
		return v, err
	})
}
