"""Floor 5: the process tree. Makes the processes, their Queues and Events; watches, restarts and stops them."""
