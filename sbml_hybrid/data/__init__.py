"""What a dataset is: its schema, its store, its tables, its windows."""
