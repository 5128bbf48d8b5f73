"""`make quality`: what is recognized rightly, beside what others recognize, on recordings whose every word is known."""
