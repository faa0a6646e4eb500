"""Floor 3: makes the processes, their Queues and Events; watches, restarts and stops them; tells how they are."""
