"""What the commands show in the terminal, of a class, of one student and of a grading that goes on."""
