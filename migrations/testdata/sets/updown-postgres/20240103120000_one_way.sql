UPDATE users SET phone = '0';
