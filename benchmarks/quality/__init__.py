"""`make quality`: what is heard rightly, beside what others hear, on recordings whose every word is known."""
