"""The process tree. Makes the processes, their Queues and Events; watches, restarts and stops them."""
