"""What a student handed in, as text -> the statements that the questions need. Standard library only."""
