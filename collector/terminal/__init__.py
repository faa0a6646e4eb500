"""What a terminal shows: one live view, of the status or of a book, and tables. It knows only words, no process and no file."""
